import enduser from "enduser.js";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Route, Routes } from "react-router";

// Once, before anything is rendered; page views of the router are noticed without more. `npm run build` puts both in.
enduser.init({ key: WRITE_KEY, host: SERVER });

function useTitle(title) {
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** What this user sees, and that it is shown. */
function Content() {
  const [items, setItems] = useState([]);
  useEffect(() => {
    enduser.decide().then(({ content }) => {
      setItems(content);
      for (const { id } of content) {
        enduser.shown(id);
      }
    });
  }, []);
  return items.map(({ id, payload }) => <aside key={id}>{payload?.text}</aside>);
}

function Home() {
  useTitle("Home");
  return (
    <main>
      <Content />
      <button id="buy" type="button" onClick={() => enduser.track("Bought", { total: 9.5 })}>
        Buy
      </button>
      <Link to="/orders">Orders</Link>
    </main>
  );
}

function Orders() {
  useTitle("Orders");
  return <Link to="/">Home</Link>;
}

createRoot(document.getElementById("root")).render(
  <BrowserRouter>
    <Routes>
      <Route path="/" element={<Home />} />
      <Route path="/orders" element={<Orders />} />
    </Routes>
  </BrowserRouter>,
);
